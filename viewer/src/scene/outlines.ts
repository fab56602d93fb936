/** Hairlines along silhouettes, found in the depth of the picture. */
import { Color, PostProcessStage } from '@cesium/engine'

/** The colour of the lines; its alpha is how much they cover. */
export const ink = new Color(0.11, 0.15, 0.2, 0.6)

/**
 * On any plane 1/z is linear across the screen, so its second difference is zero there, whatever
 * the slope, and is not where a plane ends. Bends are lost: the depth comes in steps too coarse.
 */
const SHADER = `
uniform sampler2D colorTexture;
uniform sampler2D depthTexture;
uniform vec4 ink;
in vec2 v_textureCoordinates;

// What the depth buffer holds is logarithmic; w of the eye's coordinates is 1/z, and exact.
float nearness(vec2 at) {
  return czm_windowToEyeCoordinates(at * czm_viewport.zw, texture(depthTexture, at).r).w;
}

void main() {
  vec4 color = texture(colorTexture, v_textureCoordinates);
  vec2 pixel = 1.0 / czm_viewport.zw;
  vec2 x = vec2(pixel.x, 0.0);
  vec2 y = vec2(0.0, pixel.y);
  float here = nearness(v_textureCoordinates);
  float bend = abs(nearness(v_textureCoordinates + x) + nearness(v_textureCoordinates - x) - 2.0 * here)
    + abs(nearness(v_textureCoordinates + y) + nearness(v_textureCoordinates - y) - 2.0 * here);
  float line = smoothstep(0.02, 0.05, bend / max(here, 1e-6));
  float fade = smoothstep(1.0 / 4000.0, 1.0 / 900.0, here);
  out_FragColor = vec4(mix(color.rgb, ink.rgb, line * ink.a * fade), color.a);
}`

export function createOutlines(): PostProcessStage {
  return new PostProcessStage({ name: 'outlines', fragmentShader: SHADER, uniforms: { ink: () => ink } })
}
