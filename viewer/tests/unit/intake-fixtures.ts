/** A look into a small shapefile, and a job made from it. */
import type { Inspection, Job } from '../../src/api/types'

export const FOUND: Inspection = {
  file: '房屋.shp', layer: null, layers: [], format: 'ESRI Shapefile', encoding: 'GBK', rows: 36, crs: null,
  crs_proposals: [{ code: 'EPSG:4547', sure: 24, en: 'zone of 114°', zh: '中央经线 114°' }],
  extent: null, geometry: { Polygon: 36 }, kinds: [{ name: 'buildings', score: 100 }], kind: 'buildings',
  columns: [{ name: '层数', type: 'integer', filled: 36, distinct: 9, least: 3, most: 11, samples: ['3'], oddities: [], more: false }],
  mapping: [
    { field: 'floors_above', zh: '地上层数', en: 'storeys', required: false, column: '层数', sure: 95, why_en: 'is called so', why_zh: '列名即此' },
    { field: 'ext_id', zh: '编号', en: 'key', required: false, column: null, sure: 0, why_en: '', why_zh: '' },
  ],
  missing: [], oddities: [], preview: { columns: ['层数'], rows: [['3']], numbers: [1] }, footprints: null, sampled: false, notes: [],
} as unknown as Inspection

export const JOB = {
  id: 17, group: 'g1234567', file: '房屋.shp', kind: 'buildings', dry_run: false, state: 'running', step: 'read',
  request: { fields: { ext_id: '编号' }, crs: 'EPSG:4547', source: '规划局', full: true, layer: null, encoding: 'GBK' },
  rows_done: 1, rows_total: 36, cancelling: false, report: null, error: null, quarantine: null,
  created_at: '2026-11-22T02:00:00Z', started_at: null, finished_at: null,
} as unknown as Job
