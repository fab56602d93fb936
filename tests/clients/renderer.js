// Opens a tileset with 3d-tiles-renderer and looks straight down at places: which feature is hit?
import { TilesRenderer, WGS84_ELLIPSOID } from "3d-tiles-renderer";
import { GLTFExtensionsPlugin, ImplicitTilingPlugin } from "3d-tiles-renderer/plugins";
import { PerspectiveCamera, Raycaster, Triangle, Vector3 } from "three";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";

const above = (place, height) => {
  const [longitude, latitude] = place.map((degrees) => (degrees * Math.PI) / 180);
  return WGS84_ELLIPSOID.getCartographicToPosition(latitude, longitude, height, new Vector3());
};

async function picked(tiles, place) {
  const [from, to] = [above(place, 2000), above(place, 0)];
  const ray = new Raycaster(from, to.sub(from).normalize());
  const [hit] = ray.intersectObject(tiles.group, true);
  if (!hit) return null;
  const { meshFeatures, structuralMetadata } = hit.object.userData;
  const corners = hit.object.geometry.getAttribute("position");
  const { a, b, c } = hit.face;
  const triangle = new Triangle().setFromAttributeAndIndices(corners, a, b, c);
  for (const corner of [triangle.a, triangle.b, triangle.c]) {
    corner.applyMatrix4(hit.object.matrixWorld);
  }
  const weights = triangle.getBarycoord(hit.point, new Vector3());
  const features = await meshFeatures.getFeaturesAsync(hit.faceIndex, weights);
  const tables = meshFeatures.getFeatureInfo().map((info) => info.propertyTable);
  const found = structuralMetadata.getPropertyTableData(tables, features);
  return Object.fromEntries(
    meshFeatures.getFeatureInfo().map(({ label }, i) => [label, Number(found[i].id)]),
  );
}

/** The ids of the features at places ([longitude, latitude]), and what the client said. */
window.look = async (url, places) => {
  const tiles = new TilesRenderer(url);
  tiles.registerPlugin(new ImplicitTilingPlugin());
  tiles.registerPlugin(new GLTFExtensionsPlugin({ metadata: true, meshoptDecoder: MeshoptDecoder }));
  tiles.errorTarget = 1;
  const faults = [];
  tiles.addEventListener("load-error", ({ error }) => faults.push(String(error)));

  const middle = [0, 1].map((axis) => places.reduce((sum, p) => sum + p[axis], 0) / places.length);
  const camera = new PerspectiveCamera(60, 1, 1, 1e7);
  camera.position.copy(above(middle, 4000));
  camera.lookAt(above(middle, 0));
  camera.updateMatrixWorld();
  tiles.setCamera(camera);
  tiles.setResolution(camera, 4000, 4000);

  let still = 0;
  const end = Date.now() + 60_000;
  while (still < 20 && faults.length === 0 && Date.now() < end) {
    tiles.update();
    await new Promise((done) => setTimeout(done, 25));
    const { downloading, parsing, queued } = tiles.stats;
    still = tiles.root && downloading + parsing + queued === 0 ? still + 1 : 0;
  }
  tiles.group.updateMatrixWorld(true);

  const ids = [];
  for (const place of places) ids.push(await picked(tiles, place));
  let models = 0;
  tiles.forEachLoadedModel(() => (models += 1));
  return { ids, models, faults };
};
