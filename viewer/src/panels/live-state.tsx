/** Whether what is shown is of now, and of how much of the city. */
import { FARTHEST_M } from '../live'
import type { Store } from '../store'
import { hour } from '../words'

export function LiveState({ store }: { store: Store }) {
  const t = store.t.value.liveState
  const { language, layers, scheme, view } = store.state.value
  const { around, pulse, link, since, reach, drawn } = store.live
  void pulse.value
  const wanted = layers.devices || scheme === 'live'
  const said: string[] = []
  if (link.value === 'cut') said.push(t.cut(hour(since.value ?? Date.now(), language)))
  else if (link.value === 'opening') said.push(t.opening)
  else if (wanted && (view?.h ?? 0) > FARTHEST_M) said.push(t.far(FARTHEST_M / 1000))
  else if (wanted && reach.value === 0) said.push(t.tooMany)
  else if (wanted) said.push(t.heard(around.devices))
  else said.push(t.alarmsOnly)
  if (link.value === 'events') said.push(t.events)
  if (wanted && link.value !== 'cut') {
    if (reach.value) said.push(t.near(reach.value))
    if (drawn.value !== null && layers.devices) said.push(t.drawn(drawn.value))
  }
  return <p class="hint live-state" data-link={link.value} role="status"><i aria-hidden="true" />{said.join(t.stop)}</p>
}
