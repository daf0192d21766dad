# atvio_ros on a ROS 2 image. It has not been built anywhere yet.
#
#   docker build --tag atvio_ros .                                   # the node with the road estimator
#   docker build --tag atvio_ros --build-arg NETWORKS=1 .            # with PyTorch, for the networks
#   docker run --rm --net host --ipc host atvio_ros ros2 launch atvio_ros atvio.launch.py rviz:=false
#
# --ipc host: Fast DDS passes large images through shared memory.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

ARG NETWORKS=0
SHELL ["/bin/bash", "-c"]
WORKDIR /ws

COPY . src/atvio_ros
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rosdep update --rosdistro "${ROS_DISTRO}" \
    && rosdep install --from-paths src --ignore-src -y --skip-keys rviz2 \
    && rm -rf /var/lib/apt/lists/*

# What only pip has, in an environment that sees the packages of apt (docs/install.md).
RUN python3 -m venv --system-site-packages venv && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir "rosbags>=0.11,<0.12" \
    && if [ "${NETWORKS}" = 1 ]; then \
           venv/bin/pip install --no-cache-dir "numpy<2" safetensors torch --extra-index-url https://download.pytorch.org/whl/cpu; \
       fi

RUN source "/opt/ros/${ROS_DISTRO}/setup.bash" && source venv/bin/activate \
    && colcon build --packages-select atvio_ros --cmake-args -DBUILD_TESTING=OFF

RUN printf '%s\n' '#!/bin/bash' 'set -e' 'source /ws/venv/bin/activate' 'source /ws/install/setup.bash' 'exec "$@"' \
    > /entrypoint.sh && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "atvio_ros", "atvio.launch.py", "rviz:=false"]
