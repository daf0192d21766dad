"""OpenGL shading language 3.30 sources of the renderer. Positions are relative to the camera, for precision.

`source` makes the variant that some conditions need; without conditions none of their work is done.
"""

from __future__ import annotations

from collections.abc import Iterable


def source(text: str, *parts: str, defines: Iterable[str] = ()) -> str:
    """`text` with PARTs of code put in before its main function and names of `defines` defined."""
    head = ''.join(f'#define {name}\n' for name in defines)
    text = text.replace('#version 330\n', f'#version 330\n{head}')
    return text.replace('void main() {', ''.join(parts) + 'void main() {', 1)


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
#ifdef PLACE
out vec3 place;
#endif
#ifdef PAINT
uniform int paint_layer;
#endif
void main() {
    gl_Position = clip * vec4(position - eye, 1.0);
#ifdef PLACE
    place = position - eye;
#endif
#ifdef PAINT  // over the asphalt by depth alone: a real height would show parallax
    if (int(layer.x) == paint_layer) gl_Position.z -= 0.013;
#endif
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
#ifdef NIGHT
    colour *= headlights(true);
    float post = mod(road_place.x, lamp_spacing) - 0.5 * lamp_spacing;
    colour += colour_of_lamps * exp(-post * post / 60.0) * texture(textures, vec3(texture_place, layers.x), -0.6).rgb;
#endif
#ifdef WET
    if (layers.x >= asphalt.x && layers.x <= asphalt.y || layers.x == asphalt.z)
        colour = mirrored(colour, texture(textures, vec3(texture_place * 0.04, layers.y)).r);
#endif
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
#ifdef NIGHT
    colour *= headlights(false);
#endif
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
#ifdef NIGHT
    colour.rgb *= headlights(false);
#endif
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

HEADLIGHTS = """
in vec3 place;
uniform vec3 lamp;
uniform vec3 ahead;
uniform vec3 up;
uniform float lamp_height;
uniform float ambient;
uniform float lamp_spacing;
uniform vec3 colour_of_lamps;
float headlights(bool ground) {
    vec3 ray = place - lamp;
    float distance = max(length(ray), 1.0);
    ray /= distance;
    float rise = dot(ray, up);
    float side = dot(ray, cross(ahead, up));
    float beam = exp(-side * side / 0.08) * max(dot(ray, ahead), 0.0);
    beam *= rise < 0.0 ? exp(rise / 0.05) : 0.06 + 0.94 * exp(-rise / 0.008);
    float facing = ground ? lamp_height / distance : 0.35;
    return ambient + min(5000.0 * beam * facing / (distance * distance), 1.6);
}
"""

MIRROR = """
#ifndef NIGHT
in vec3 place;
#endif
uniform sampler2D mirror;
uniform vec2 mirror_scale;
uniform vec3 asphalt;
uniform float wet;
vec3 mirrored(vec3 colour, float patches) {
    float film = wet * mix(0.5, 1.0, smoothstep(0.4, 0.55, patches));
    float cosine = clamp(-normalize(place).z, 0.0, 1.0);
    float share = min(0.04 + 1.3 * pow(1.0 - cosine, 5.0), 1.0);
    vec2 at = gl_FragCoord.xy * mirror_scale;
    vec3 seen = vec3(0.0);
    for (int i = -2; i <= 2; i++)
        seen += texture(mirror, at + vec2(0.0, float(i) * 0.012)).rgb;
    return mix(colour * (1.0 - 0.6 * film), seen / 5.0, share * film);
}
"""
