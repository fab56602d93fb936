/** Devices of the unit and of what serves it, or the one whose symbol was clicked, with their latest readings. */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Card, Datastream, Device } from '../api/types'
import type { Looked } from '../live'
import type { Store } from '../store'
import { codeName, inWords, measure, moment, unitOfMeasure } from '../words'
import { Chart } from './chart'

export function Devices({ card, store }: { card: Card; store: Store }) {
  const streams = card.devices.flatMap((one) => (one.withheld ? [] : one.datastreams.map(({ id }) => id)))
  useEffect(() => store.live.watch(streams), [streams.join()])
  if (card.devices.length === 0) return null
  return (
    <>
      <h3>{store.t.value.readings}</h3>
      <ul class="things" aria-live="off">
        {card.devices.map((one) => <OneDevice key={one.id} device={one} store={store} />)}
      </ul>
    </>
  )
}

/** The device whose symbol was clicked: what it says now, and charts of it. */
export function DeviceCard({ store }: { store: Store }) {
  const device = store.live.device.value
  return device && <Clicked key={device.id} device={device} store={store} />
}

function Clicked({ device, store }: { device: Looked; store: Store }) {
  const t = store.t.value
  const { language } = store.state.value
  const { live } = store
  void [live.told.value, live.pulse.value]
  // What was heard of it is shown on where the camera has left.
  const known = useRef<readonly Datastream[]>([])
  const heard = live.around.ofDevice(device.id)
  if (heard.length > 0) known.current = heard.map(([id, { name, label, property, unit }]) => ({ id, name, label, property, unit, value: null, text: null, at: null }))
  const ids = known.current.map(({ id }) => id)
  useEffect(() => live.watch(ids), [ids.join()])
  const kind = codeName(store.city.value?.legend['device_class'], device.kind, language)
  const state = live.alarming.value.has(device.id) ? 'alarm' : device.faulty ? 'faulty' : live.link.value === 'cut' ? 'stale' : heard.length > 0 ? live.around.condition(device.id, Date.now()) : null
  return (
    <section class="panel card device" aria-labelledby="device-title">
      <header class="row">
        <h2 id="device-title">{device.name === device.kind ? kind : device.name}</h2>
        <button
          type="button" class="icon" aria-label={t.close} title={t.close}
          onClick={() => { live.device.value = null }}
        >
          ✕
        </button>
      </header>
      <div class="scroll">
        <p class="chips">
          <span class="chip">{kind}</span>
          {state && <span class={`chip state-${state}`}>{t.deviceStates[state]}</span>}
        </p>
        {known.current.length === 0 && <p class="hint">{t.notHeard}</p>}
        {known.current.map((one) => <Stream key={one.id} stream={one} store={store} />)}
      </div>
    </section>
  )
}

function OneDevice({ device, store }: { device: Device; store: Store }) {
  const { language } = store.state.value
  const kind = inWords(device.class, language)
  return (
    <li>
      <span class={device.status === 'faulty' ? 'faulty' : ''}>
        {device.status === 'faulty' && '⚠ '}{device.name ?? kind}
      </span>
      <small>{[kind, device.bound_to.label].filter(Boolean).join(' · ')}</small>
      {device.withheld
        ? <p class="hint">{store.t.value.withheld}</p>
        : device.datastreams.map((one) => <Stream key={one.id} stream={one} store={store} />)}
    </li>
  )
}

function Stream({ stream, store }: { stream: Datastream; store: Store }) {
  const open = useSignal(false)
  const t = store.t.value
  const { language } = store.state.value
  const label = stream.label[language === 'en' ? 'en' : 'zh']
  void store.live.pulse.value
  // What came since the card was asked for takes the place of what it said.
  const [, ms, told] = store.live.watched.values.get(stream.id) ?? []
  const at = ms === undefined ? stream.at : new Date(ms).toISOString()
  const known = told === undefined ? stream.value ?? stream.text : told
  const value = typeof known === 'number' ? measure(known, unitOfMeasure(stream.unit), language, 2) : known === null ? null : t.codes[known] ?? known
  return (
    <div class="stream">
      <span title={stream.name}>{label}</span>
      <output aria-live="off">{value ?? t.noReading}</output>
      <time dateTime={at ?? ''}>{moment(at, language)}</time>
      <button
        type="button" class="icon" aria-expanded={open.value} disabled={at === null}
        aria-label={`${open.value ? t.hideChart : t.chart}: ${label}`}
        title={open.value ? t.hideChart : t.chart} onClick={() => { open.value = !open.value }}
      >
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <path d="M1 12l4-5 3 3 6-8" fill="none" stroke="currentColor" stroke-width="1.6" />
        </svg>
      </button>
      {open.value && <Chart stream={stream} store={store} />}
    </div>
  )
}
