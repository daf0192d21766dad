"""OpenGL shading language 3.30 sources of the renderer. Positions are relative to the camera, for precision."""

VERTEX = """
#version 330
uniform mat4 clip;
uniform vec3 eye;
uniform float haze_density;
uniform float exposure;
in vec3 position;
in vec2 uv;
in vec2 road;
in vec4 colour;
in uvec4 layer;
out vec2 texture_place;
out vec2 road_place;
out vec3 tint;
out float clear_air;
flat out vec2 layers;
void main() {
    gl_Position = clip * vec4(position - eye, 1.0);
    texture_place = uv;
    road_place = road;
    tint = colour.rgb * (2.0 * exposure);
    clear_air = exp(-haze_density * gl_Position.w);
    layers = vec2(layer.xy);
}
"""

GROUND = """
#version 330
uniform sampler2DArray textures;
uniform sampler2D shadows;
uniform vec3 haze;
uniform vec3 shade;
uniform vec2 shadow_scale;
in vec2 texture_place;
in vec2 road_place;
in vec3 tint;
in float clear_air;
flat in vec2 layers;
out vec4 pixel;
void main() {
    vec3 colour = texture(textures, vec3(texture_place, layers.x), -0.6).rgb * tint;
    colour *= 0.5 + texture(textures, vec3(texture_place * 0.083, layers.y)).r;
    float sun = texture(shadows, vec2(road_place.y * shadow_scale.y + 0.5, road_place.x * shadow_scale.x)).r;
    colour *= mix(shade, vec3(1.0), sun);
    pixel = vec4(mix(haze, colour, clear_air), 1.0);
}
"""

SOLID = """
#version 330
uniform sampler2DArray textures;
uniform vec3 haze;
in vec2 texture_place;
in vec3 tint;
in float clear_air;
flat in vec2 layers;
out vec4 pixel;
void main() {
    vec3 colour = texture(textures, vec3(texture_place, layers.x), -0.4).rgb * tint;
    pixel = vec4(mix(haze, colour, clear_air), 1.0);
}
"""

LEAVES = """
#version 330
uniform sampler2DArray textures;
uniform vec3 haze;
in vec2 texture_place;
in vec3 tint;
in float clear_air;
flat in vec2 layers;
out vec4 pixel;
void main() {
    vec4 colour = texture(textures, vec3(texture_place, layers.x), -0.3);
    if (colour.a < 0.45) discard;
    pixel = vec4(mix(haze, colour.rgb * tint, clear_air), 1.0);
}
"""

SKY_VERTEX = """
#version 330
uniform mat4 clip;
in vec3 direction;
in vec2 uv;
out vec2 place;
void main() {
    gl_Position = (clip * vec4(direction, 1.0)).xyww;
    gl_Position.z *= 0.999999;
    place = uv;
}
"""

SKY = """
#version 330
uniform sampler2D panorama;
uniform float exposure;
in vec2 place;
out vec4 pixel;
void main() {
    pixel = vec4(texture(panorama, place).rgb * exposure, 1.0);
}
"""
