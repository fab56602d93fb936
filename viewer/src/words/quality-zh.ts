/** 数据质量页的中文。 */
import type { QualityWords } from './quality-en'

export const qualityZh = {
  title: '数据质量',
  never: '尚未检查过数据。请运行：',
  checkedAt: (when: string) => `检查时间 ${when}`,
  whole: '所有不变量均成立。',
  broken: (n: number) => `有 ${n} 项不变量被破坏。`,
  findings: '问题',
  invariants: '被破坏的不变量',
  nothing: '没有发现问题。',
  more: '更多',
  onMap: (shown: number, all: string) => `图上 ${shown} 处，共 ${all} 处`,
  collections: '数据集',
  collection: '数据集',
  objects: '数量',
  onTheMap: '上图率',
  stale: (months: number) => `${months} 个月未更新`,
  names: {
    areas: '行政区划', grids: '网格', estates: '小区', buildings: '建筑', storeys: '楼层', units: '房屋单元',
    addresses: '地址', organisations: '单位', facilities: '设施', projects: '建设项目', devices: '设备', residents: '居住登记',
  },
  types: {
    building: '建筑', floor_plan: '标准层', storey: '楼层', unit: '房屋单元', address: '地址', device: '设备',
  },
  pairs: '两个来源的建筑',
  noPairs: '没有待定的配对。生成配对：',
  pair: (score: number, overlap: string) => `得分 ${score}，重叠 ${overlap}`,
  reasons: { code: '编号相同', address: '地址相同', name: '名称相同' },
  storeys: (a: number, b: number) => `${a} 层与 ${b} 层`,
  same: '同一建筑',
  different: '不同建筑',
  decided: (what: string) => `已定为${what}。`,
  undo: '撤销',
} satisfies QualityWords
