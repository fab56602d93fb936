// Opens a tileset with iTowns and looks straight down at places: which feature is hit?
import * as itowns from "itowns";
import { Raycaster, Vector3 } from "three";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";

itowns.enableMeshoptDecoder(MeshoptDecoder);

const above = ([longitude, latitude], height) =>
  new itowns.Coordinates("EPSG:4326", longitude, latitude, height).as("EPSG:4978").toVector3(new Vector3());

async function picked(layer, place) {
  const [from, to] = [above(place, 2000), above(place, 0)];
  const ray = new Raycaster(from, to.sub(from).normalize());
  const hits = ray.intersectObject(layer.tilesRenderer.group, true);
  const found = await layer.getMetadataFromIntersections(hits);
  if (!found) return null;
  const sets = hits[0].object.userData.meshFeatures.getFeatureInfo();
  return Object.fromEntries(sets.map(({ label }, i) => [label, Number(found[i].id)]));
}

/** The ids of the features at places ([longitude, latitude]), and what the client said. */
window.look = async (url, places) => {
  const faults = [];
  const view = new itowns.View("EPSG:4978", document.getElementById("view"), { noControls: true });
  const source = new itowns.OGC3DTilesSource({ url });
  const layer = new itowns.OGC3DTilesLayer("tiles", { source, sseThreshold: 0.25 });
  layer.tilesRenderer.addEventListener("load-error", ({ error }) => faults.push(String(error)));

  const middle = [0, 1].map((axis) => places.reduce((sum, p) => sum + p[axis], 0) / places.length);
  const camera = view.camera3D;
  camera.position.copy(above(middle, 3000));
  camera.up.set(0, 0, 1);
  camera.lookAt(above(middle, 0));
  camera.near = 1;
  camera.far = 1e5;
  camera.updateProjectionMatrix();
  camera.updateMatrixWorld();
  itowns.View.prototype.addLayer.call(view, layer).catch((error) => faults.push(String(error)));

  let still = 0;
  const end = Date.now() + 60_000;
  while (still < 20 && faults.length === 0 && Date.now() < end) {
    // It asks for a new frame where a model came, not where a subtree did: so the page does.
    view.notifyChange(layer);
    await new Promise((done) => setTimeout(done, 25));
    const { downloading, parsing, queued } = layer.tilesRenderer.stats;
    still = layer.tilesRenderer.root && downloading + parsing + (queued ?? 0) === 0 ? still + 1 : 0;
  }
  layer.tilesRenderer.group.updateMatrixWorld(true);

  const ids = [];
  for (const place of places) ids.push(await picked(layer, place));
  let models = 0;
  layer.tilesRenderer.forEachLoadedModel(() => (models += 1));
  return { ids, models, faults, stats: { ...layer.tilesRenderer.stats } };
};
