/** The parts of Cesium that its makers still call experimental, in one place to follow them. */
import { type Cesium3DTileset, EdgeDisplayMode } from '@cesium/engine'

/** Draw the outlines that a tileset carries (EXT_mesh_primitive_edge_visibility), if it does. */
export function showEdges(tileset: Cesium3DTileset): void {
  tileset.edgeDisplayMode = EdgeDisplayMode.SURFACES_AND_EDGES
}
