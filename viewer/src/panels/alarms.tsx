/** Alarms that are open: where each is, whom it affects; looked at, and worked on by who may. */
import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Alarm, AlarmAct } from '../api/types'
import { found, type Wanted } from '../live/alarms'
import type { Store } from '../store'
import { moment } from '../words'

/** Metres from which a place without a building is looked at. */
const RANGE_M = 300
/** Rows at most; there is a filter for the others. */
const ROWS = 200
/** From how many on a filter is of use. */
const MANY = 2

/** The button in the bar at the top, with how many are open. */
export function AlarmsButton({ store }: { store: Store }) {
  const t = store.t.value.alarmList
  const { alarms: open } = store.state.value
  const count = store.live.alarms.value.length
  return (
    <button
      type="button" id="open-alarms" class={count > 0 ? 'alarming' : ''} aria-expanded={open}
      title={`${t.title} (a)`} onClick={() => toggle(store, false)}
    >
      {t.title}{count > 0 && <b class="badge">{count > 999 ? '999+' : count}</b>}
    </button>
  )
}

/** Open the list, for the keyboard at its first alarm; or close it, and be where it was opened. */
export function toggle(store: Store, byKey: boolean): void {
  const open = !store.state.value.alarms
  const within = document.activeElement?.closest('.alarms')
  store.change({ alarms: open })
  if (open) store.tab.value = 'alarms'
  if (!open && within) document.getElementById('open-alarms')?.focus()
  if (open && byKey) requestAnimationFrame(() => document.querySelector<HTMLElement>('.alarms button.plain')?.focus())
}

/** Put the focus on an alarm once it is listed: what was worked with is gone. */
function goTo(alarm: Alarm): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-alarm="${alarm.id}"] button.plain`)?.focus())
}

export function Alarms({ store }: { store: Store }) {
  const { alarms: open } = store.state.value
  return open ? <List store={store} /> : null
}

function List({ store }: { store: Store }) {
  const t = store.t.value.alarmList
  const alarms = store.live.alarms.value
  const wanted = useSignal<Wanted>({ least: 1, text: '' })
  /** What was ended or marked as false last, which may have been by mistake. */
  const ended = useSignal<Alarm | null>(null)
  const list = useRef<HTMLOListElement>(null)
  const shown = found(alarms, wanted.value)
  const focus = store.live.focus.value
  useEffect(() => {
    list.current?.querySelector(`[data-alarm="${focus}"]`)?.scrollIntoView({ block: 'nearest' })
  }, [focus])
  return (
    <section class="panel alarms" aria-labelledby="alarms-title">
      <header class="row">
        <h2 id="alarms-title">
          {t.title} <span class="count" role="status">{shown.length < alarms.length ? `${shown.length} / ${alarms.length}` : alarms.length}</span>
        </h2>
        <button
          type="button" class="icon" aria-label={store.t.value.close} title={store.t.value.close}
          onClick={() => toggle(store, false)}
        >
          ✕
        </button>
      </header>
      {store.live.link.value === 'cut' && <p class="hint cut" role="status">{t.cut}</p>}
      {alarms.length >= MANY && <Filter wanted={wanted} store={store} />}
      {alarms.length === 0 && <p class="hint">{t.none}</p>}
      {alarms.length > 0 && shown.length === 0 && <p class="hint">{t.noneOfThese}</p>}
      <ol class="scroll" ref={list} onKeyDown={step}>
        {shown.slice(0, ROWS).map((one) => <One key={one.id} alarm={one} store={store} ended={ended} />)}
      </ol>
      {shown.length > ROWS && <p class="hint">{t.more(shown.length - ROWS)}</p>}
      {ended.value && <Ended alarm={ended.value} store={store} ended={ended} />}
    </section>
  )
}

function Filter({ wanted, store }: { wanted: Signal<Wanted>; store: Store }) {
  const t = store.t.value.alarmList
  return (
    <div class="filter">
      <select
        aria-label={t.severity} value={wanted.value.least}
        onChange={(event) => { wanted.value = { ...wanted.value, least: Number(event.currentTarget.value) } }}
      >
        <option value={1}>{t.any}</option>
        {([2, 3, 4] as const).map((one) => <option key={one} value={one}>{t.from(t.severities[one])}</option>)}
      </select>
      <input
        type="search" aria-label={t.filter} placeholder={t.filter} value={wanted.value.text}
        onInput={(event) => { wanted.value = { ...wanted.value, text: event.currentTarget.value } }}
      />
    </div>
  )
}

/** Arrows go from alarm to alarm; Enter, as on any button, looks at it. */
function step(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key]
  if (by === undefined || event.target instanceof HTMLInputElement) return
  const rows = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('button.plain')]
  const at = rows.findIndex((one) => one.closest('li')?.contains(event.target as Node))
  rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.focus()
  event.preventDefault()
}

/** What it says, in the reader's language. */
function words(alarm: Alarm, store: Store): string {
  return alarm.message?.[store.state.value.language === 'en' ? 'en' : 'zh'] ?? alarm.kind
}

function One({ alarm, store, ended }: { alarm: Alarm; store: Store; ended: Signal<Alarm | null> }) {
  const t = store.t.value.alarmList
  const { language } = store.state.value
  const may = store.session.value?.scopes.includes('alarms.write') ?? false
  const working = useSignal(false)
  const said = words(alarm, store)
  const place = alarm.place.text ?? alarm.device?.name ?? ''
  const severity = (alarm.severity ?? 0) as keyof typeof t.severities
  return (
    <li class={`severity-${severity} ${store.live.focus.value === alarm.id ? 'looked-at' : ''}`} data-alarm={alarm.id}>
      <button type="button" class="plain" title={t.look} onClick={() => look(alarm, store)}>
        <b>{said}</b>
        {!said.includes(place) && <span>{place}</span>}
        <small>
          {severity in t.severities && <em>{t.severities[severity]}</em>}
          {[
            moment(alarm.begun, language), alarm.affected.units > 0 ? t.affects(alarm.affected.units) : '',
          ].filter(Boolean).join(' · ')}
        </small>
      </button>
      <div class="acts">
        {alarm.acknowledged !== null && <small class="taken">{t.taken}</small>}
        {may && (
          <button
            type="button" aria-expanded={working.value}
            onClick={() => { working.value = !working.value }}
          >
            {alarm.acknowledged === null ? t.take : t.work}
          </button>
        )}
      </div>
      {working.value && may && <Work alarm={alarm} store={store} working={working} ended={ended} />}
    </li>
  )
}

/** Take it on, say something of it, end it: what is written into its history stays there. */
function Work({ alarm, store, working, ended }: {
  alarm: Alarm; store: Store; working: Signal<boolean>; ended: Signal<Alarm | null>
}) {
  const t = store.t.value.alarmList
  const field = useRef<HTMLInputElement>(null)
  const note = useSignal('')
  const busy = useSignal(false)
  useEffect(() => field.current?.focus(), [])
  const leave = (): void => { working.value = false; goTo(alarm) }
  const act = (what: AlarmAct): void => {
    busy.value = true
    store.client.act(alarm.id, what, note.value.trim()).then(
      (whole) => {
        working.value = false
        ended.value = whole.ended === null ? null : alarm
        store.live.changed(whole)
        goTo(alarm)
      },
      (error: unknown) => { busy.value = false; store.complain(error) },
    )
  }
  const first = alarm.acknowledged === null ? 'acknowledge' : 'note'
  return (
    <form
      class="work"
      onSubmit={(event) => { event.preventDefault(); act(first) }}
      onKeyDown={(event) => { if (event.key === 'Escape') { event.stopPropagation(); leave() } }}
    >
      <input
        ref={field} type="text" maxLength={500} aria-label={t.note} placeholder={t.notePlaceholder} value={note.value}
        onInput={(event) => { note.value = event.currentTarget.value }}
      />
      <div class="row">
        <button type="submit" class="primary" disabled={busy.value || (first === 'note' && note.value.trim() === '')}>
          {first === 'note' ? t.addNote : t.confirm}
        </button>
        <button type="button" disabled={busy.value} onClick={() => act('false')}>{t.isFalse}</button>
        <button type="button" disabled={busy.value} onClick={() => act('end')}>{t.end}</button>
        <button type="button" class="link" onClick={leave}>{t.cancel}</button>
      </div>
    </form>
  )
}

/** What was just ended by hand can be opened again. */
function Ended({ alarm, store, ended }: { alarm: Alarm; store: Store; ended: Signal<Alarm | null> }) {
  const t = store.t.value.alarmList
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => button.current?.focus(), [alarm.id])
  const undo = (): void => {
    store.client.act(alarm.id, 'reopen').then(
      (whole) => { ended.value = null; store.live.changed(whole); goTo(alarm) },
      store.complain,
    )
  }
  return (
    <p class="hint undo" role="status">
      <span>{t.ended(words(alarm, store))}</span>
      <button ref={button} type="button" class="link" onClick={undo}>{t.undo}</button>
    </p>
  )
}

/** See where it is: the building with those who are affected lit in it, else the place. */
function look(alarm: Alarm, store: Store): void {
  store.live.focus.value = alarm.id
  const { building_id: building, lon, lat, height } = alarm.place
  if (building !== null) store.select({ building, unit: null }, true)
  else if (lon !== null && lat !== null) store.look(lon, lat, height ?? 0, RANGE_M)
}
