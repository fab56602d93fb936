/** Alarms that are open: where each is, whom it affects; looked at, and taken on by who may. */
import type { Alarm } from '../api/types'
import type { Store } from '../store'
import { moment } from '../words'

/** Metres from which a place without a building is looked at. */
const RANGE_M = 300

/** The button in the bar at the top, with how many are open. */
export function AlarmsButton({ store }: { store: Store }) {
  const t = store.t.value.alarmList
  const { alarms: open } = store.state.value
  const count = store.live.alarms.value.length
  return (
    <button
      type="button" id="open-alarms" class={count > 0 ? 'alarming' : ''} aria-expanded={open}
      title={`${t.title} (a)`} onClick={() => store.change({ alarms: !open })}
    >
      {t.title}{count > 0 && <b class="badge">{count}</b>}
    </button>
  )
}

export function Alarms({ store }: { store: Store }) {
  const { alarms: open } = store.state.value
  const t = store.t.value.alarmList
  const alarms = store.live.alarms.value
  if (!open) return null
  return (
    <section class="panel alarms" aria-labelledby="alarms-title">
      <header class="row">
        <h2 id="alarms-title">{t.title} <span class="count">{alarms.length}</span></h2>
        <button
          type="button" class="icon" aria-label={store.t.value.close} title={store.t.value.close}
          onClick={() => store.change({ alarms: false })}
        >
          ✕
        </button>
      </header>
      {store.live.connected.value === false && <p class="hint" role="status">{t.cut}</p>}
      {alarms.length === 0
        ? <p class="hint">{t.none}</p>
        : <ol class="scroll" aria-live="polite">{alarms.map((one) => <One key={one.id} alarm={one} store={store} />)}</ol>}
    </section>
  )
}

function One({ alarm, store }: { alarm: Alarm; store: Store }) {
  const t = store.t.value.alarmList
  const { language } = store.state.value
  const may = store.session.value?.scopes.includes('alarms.write') ?? false
  const said = alarm.message?.[language === 'en' ? 'en' : 'zh'] ?? alarm.kind
  return (
    <li class={`severity-${alarm.severity ?? 0} ${store.live.focus.value === alarm.id ? 'looked-at' : ''}`} data-alarm={alarm.id}>
      <button type="button" class="plain" onClick={() => look(alarm, store)}>
        <b>{said}</b>
        <span>{alarm.place.text ?? alarm.device?.name ?? ''}</span>
        <small>
          {[
            t.severities[(alarm.severity ?? 0) as keyof typeof t.severities] ?? '', moment(alarm.begun, language),
            alarm.affected.units > 0 ? t.affects(alarm.affected.units) : '',
          ].filter(Boolean).join(' · ')}
        </small>
      </button>
      {alarm.acknowledged !== null
        ? <small class="taken">{t.taken}</small>
        : may && <button type="button" onClick={() => take(alarm, store)}>{t.take}</button>}
    </li>
  )
}

/** See where it is: the building with those who are affected lit in it, else the place. */
function look(alarm: Alarm, store: Store): void {
  store.live.focus.value = alarm.id
  const { building_id: building, lon, lat, height } = alarm.place
  if (building !== null) store.select({ building, unit: null }, true)
  else if (lon !== null && lat !== null) store.look(lon, lat, height ?? 0, RANGE_M)
}

function take(alarm: Alarm, store: Store): void {
  store.client.acknowledge(alarm.id).then(
    (whole) => store.live.changed(whole),
    store.complain,
  )
}
