// Opens a tileset with loaders.gl and prints, as JSON, each feature's properties and where its vertices are.
//   node loaders.mjs URL PROPERTY_TABLE_NUMBER
import { Tiles3DLoader } from "@loaders.gl/3d-tiles";
import { load } from "@loaders.gl/core";
import { Ellipsoid } from "@math.gl/geospatial";
import { Matrix4, Quaternion, Vector3 } from "@math.gl/core";

const [url, number] = process.argv.slice(2);
const gltf = { loadBuffers: true, decompressMeshes: true };
const options = { "3d-tiles": { loadGLTF: true }, gltf };
const found = [];
let tiles = 0;

/** glTF's nodes, from the scene down, each with its place. */
function* nodes(list, above) {
  for (const node of list) {
    const { translation = [0, 0, 0], rotation = [0, 0, 0, 1], scale = [1, 1, 1] } = node;
    const place = new Matrix4(above).translate(translation);
    place.multiplyRight(new Matrix4().fromQuaternion(new Quaternion(...rotation))).scale(scale);
    yield [node, place];
    yield* nodes(node.children ?? [], place);
  }
}

/** A row of a property table. */
function row(table, number) {
  const columns = Object.entries(table.properties);
  return Object.fromEntries(columns.map(([name, { data }]) => [name, data[number]]));
}

/** The box in degrees around the vertices of each feature of a content. */
function read({ gltf, gltfUpAxis }, transform) {
  const up = gltfUpAxis === "Y" ? new Matrix4().rotateX(Math.PI / 2) : new Matrix4();
  const roots = gltf.scene?.nodes ?? gltf.scenes[0].nodes;
  for (const [node, place] of nodes(roots, new Matrix4(transform).multiplyRight(up))) {
    for (const { attributes, extensions } of node.mesh?.primitives ?? []) {
      const set = extensions.EXT_mesh_features.featureIds[Number(number)];
      const table = gltf.extensions.EXT_structural_metadata.propertyTables[set.propertyTable];
      // Not `set.data`, which it takes from the bytes before they are unpacked.
      const features = attributes[`_FEATURE_ID_${set.attribute}`].value;
      const boxes = new Map();
      const points = attributes.POSITION;
      const width = points.value.length / points.count;
      for (let at = 0; at < points.count; at += 1) {
        const number = features[at];
        const point = place.transform([...points.value.subarray(at * width, at * width + 3)]);
        const [x, y] = Ellipsoid.WGS84.cartesianToCartographic(point, new Vector3());
        const [w, s, e, n] = boxes.get(number) ?? [180, 90, -180, -90];
        boxes.set(number, [Math.min(w, x), Math.min(s, y), Math.max(e, x), Math.max(n, y)]);
      }
      for (const [number, box] of boxes) found.push({ ...row(table, number), box });
    }
  }
}

async function walk(tile, above) {
  const transform = new Matrix4(above).multiplyRight(tile.transform ?? new Matrix4());
  if (tile.type === "scenegraph") {
    tiles += 1;
    read(await load(tile.contentUrl, Tiles3DLoader, options), transform);
  }
  if (tile.type === "json") {
    await walk((await load(tile.contentUrl, Tiles3DLoader, options)).root, transform);
  }
  for (const child of tile.children ?? []) await walk(child, transform);
}

await walk((await load(url, Tiles3DLoader, options)).root, new Matrix4());
process.stdout.write(JSON.stringify({ tiles, found }));
