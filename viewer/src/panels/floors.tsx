/** The floor grid (楼盘表): storeys × units by entrance, for eyes, mouse, keys and screen readers. */
import { useEffect, useRef } from 'preact/hooks'
import { useComputed, useSignal } from '@preact/signals'
import type { GridStorey, GridUnit } from '../api/types'
import { KIND } from '../colours'
import type { Store } from '../store'
import { inWords } from '../words'
import { breadth } from '../words/labels'
import { arrange, type Cell, type Layout, type Move, type Row, step } from './floor-layout'

const KEYS: Readonly<Record<string, Move>> = {
  ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down',
  Home: 'start', End: 'end', PageUp: 'first', PageDown: 'last',
}

export function Floors({ store }: { store: Store }) {
  const layout = useComputed(() => (store.floors.value ? arrange(store.floors.value) : null))
  const focused = useSignal<number | null>(null)
  const table = useRef<HTMLTableElement>(null)
  const selected = store.state.value.selection.unit

  useEffect(() => {
    focused.value = selected
    // Optional: not every DOM can scroll.
    table.current?.querySelector('[aria-selected=true]')?.scrollIntoView?.({ block: 'nearest' })
  }, [selected, layout.value])

  if (!layout.value || !store.floors.value) return null
  const t = store.t.value
  const all = layout.value
  const stop = focused.value ?? selected ?? all.rows.find((row) => row.cells[0])?.cells[0]?.unit.id

  const onKeyDown = (event: KeyboardEvent): void => {
    const move = KEYS[event.key]
    const from = Number((event.target as HTMLElement).dataset['unit'])
    if (!move || !from || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    focused.value = step(all, from, move)
    table.current?.querySelector<HTMLElement>(`[data-unit="${focused.value}"]`)?.focus()
  }
  return (
    <section class="panel floors" aria-labelledby="floors-title">
      <h2 id="floors-title">
        {t.floorGrid} <small>{store.floors.value.building.name}</small>
      </h2>
      <Isolation store={store} />
      <div class="scroll">
        <table
          ref={table} role="grid" class="grid" aria-labelledby="floors-title"
          aria-describedby="floors-hint" onKeyDown={onKeyDown}
          style={{ '--label': `${Math.max(...all.rows.map((row) => breadth(row.storey.label)))}ch` }}
        >
          <Head layout={all} store={store} />
          <tbody>
            {all.rows.map((row) => (
              <GridRow key={row.storey.id} row={row} layout={all} store={store} stop={stop ?? 0} />
            ))}
          </tbody>
        </table>
      </div>
      <p id="floors-hint" class="hint">{t.floorGridHint}</p>
    </section>
  )
}

function Head({ layout, store }: { layout: Layout; store: Store }) {
  if (layout.groups.length < 2 && !layout.groups[0]?.entrance) return null
  return (
    <thead>
      <tr>
        <th scope="col"><span class="hidden">{store.t.value.storey}</span></th>
        {layout.groups.map(({ entrance, width }) => (
          <th key={entrance?.id ?? 0} scope="colgroup" colSpan={width}>{entrance?.name ?? '–'}</th>
        ))}
      </tr>
    </thead>
  )
}

interface RowProps { row: Row; layout: Layout; store: Store; stop: number }

function GridRow({ row, layout, store, stop }: RowProps) {
  const { isolation, storey } = store.state.value
  const away = isolation === 'upto' ? row.storey.no > storey : isolation === 'only' && row.storey.no !== storey
  const boxes = row.wrap ? [] : fill(row.cells, layout)
  return (
    <tr class={away ? 'away' : ''}>
      <th scope="row">
        <button
          type="button" class="plain" tabIndex={-1}
          title={storeyTitle(row.storey, store)}
          aria-label={store.t.value.roomsAtStorey(row.storey.label, row.storey.units.length)}
          onClick={() => store.isolate(away || isolation === 'all' ? 'upto' : 'all', row.storey.no)}
        >
          {row.storey.label}
        </button>
      </th>
      {row.wrap ? (
        <td role="none" colSpan={layout.width} class="wrap">
          {row.cells.map((cell) => <Unit key={cell.unit.id} {...{ store, stop }} storey={row.storey} unit={cell.unit} />)}
        </td>
      ) : boxes.map((box, at) =>
        'unit' in box ? (
          <td role="none" key={box.unit.id} colSpan={box.span}>
            <Unit {...{ store, stop }} brief={layout.width / box.span > ROOMY} storey={row.storey} unit={box.unit} />
          </td>
        ) : <td key={`gap${at}`} colSpan={box.span} class="gap" />)}
    </tr>
  )
}

/** The cells of a row with the gaps between them. */
function fill(cells: readonly Cell[], layout: Layout): (Cell | { span: number })[] {
  const boxes: (Cell | { span: number })[] = []
  let at = 0
  for (const cell of cells) {
    if (cell.start > at) boxes.push({ span: cell.start - at })
    boxes.push(cell)
    at = cell.start + cell.span
  }
  if (at < layout.width) boxes.push({ span: layout.width - at })
  return boxes
}

interface UnitProps { store: Store; storey: GridStorey; unit: GridUnit; stop: number; brief?: boolean }

/** Columns beyond which a cell has room for the door's number on its storey only. */
const ROOMY = 6

function Unit({ store, storey, unit, stop, brief = false }: UnitProps) {
  const { selection, language } = store.state.value
  const t = store.t.value
  const occupancy = t.occupancies[unit.occupancy as keyof typeof t.occupancies] ?? unit.occupancy
  const chosen = selection.unit === unit.id
  const label = [
    unit.room_no, inWords(unit.kind, language), unit.occupancy === 'unknown' ? '' : occupancy,
    unit.organisations > 0 ? t.organisationsHere(unit.organisations) : '',
    unit.alarms ? t.alarmsHere(unit.alarms) : '',
  ].filter(Boolean).join(language === 'en' ? ', ' : '，')
  return (
    <button
      type="button" role="gridcell" class="unit" data-unit={unit.id}
      data-occupancy={unit.occupancy} data-alarms={unit.alarms || undefined} aria-selected={chosen}
      title={`${t.floorLabel(storey.label)} · ${label}`}
      tabIndex={unit.id === stop ? 0 : -1}
      style={{ '--kind': KIND[unit.kind.code] ?? '#e3e3e3' }}
      onClick={() => store.select({ building: selection.building, unit: unit.id }, true)}
    >
      <span aria-hidden="true">
        {brief ? onStorey(unit.room_no, storey.no) : unit.room_no}
        {unit.organisations > 0 && <i>◆</i>}
        {unit.alarms ? <b>⚠</b> : null}
      </span>
      <span class="hidden">{label}</span>
    </button>
  )
}

/** 2201 on storey 22 is 01. */
function onStorey(room: string, no: number): string {
  return room.length > String(no).length + 1 && room.startsWith(String(no)) ? room.slice(String(no).length) : room
}

function storeyTitle(storey: GridStorey, store: Store): string {
  const words = [store.t.value.floorLabel(storey.label), storey.kind]
  if (storey.elev_bottom !== null) words.push(`${storey.elev_bottom.toFixed(1)}–${storey.elev_top?.toFixed(1)} m`)
  return words.join(' · ')
}

function Isolation({ store }: { store: Store }) {
  const t = store.t.value
  const { isolation, storey } = store.state.value
  const nos = [...(store.floors.value?.storeys ?? [])].reverse()
  if (nos.length === 0) return null
  const at = Math.max(0, nos.findIndex((one) => one.no === storey))
  const shown = isolation === 'all' ? nos.length - 1 : at
  return (
    <div class="isolation">
      <div class="segments" role="group" aria-label={t.isolation}>
        {(['all', 'upto', 'only'] as const).map((mode) => (
          <button
            key={mode} type="button" aria-pressed={isolation === mode}
            onClick={() => store.isolate(mode, isolation === 'all' ? start(store, nos) : storey)}
          >
            {t[mode]}
          </button>
        ))}
      </div>
      <input
        type="range" min={0} max={nos.length - 1} value={shown} aria-label={t.storeys}
        aria-valuetext={t.floorLabel(nos[shown]?.label ?? '')}
        onInput={(event) => {
          const no = nos[event.currentTarget.valueAsNumber]?.no ?? 1
          store.isolate(isolation === 'only' ? 'only' : 'upto', no)
        }}
      />
      <output>{isolation === 'all' ? t.all : nos[shown]?.label}</output>
    </div>
  )
}

/** The storey an isolation begins with: that of the selected unit, else the top one. */
function start(store: Store, nos: readonly GridStorey[]): number {
  const unit = store.state.value.selection.unit
  const storey = nos.find((one) => one.units.some((other) => other.id === unit))
  return (storey ?? nos.at(-1))?.no ?? 1
}
