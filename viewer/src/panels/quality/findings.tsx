/** Checks that found something; an open one has its findings listed and on the map. */
import { useSignal } from '@preact/signals'
import type { Checked, Finding } from '../../api/types'
import type { Store } from '../../store'
import { measure } from '../../words'
import { boxOf, onTheMap } from './place'

export function Findings({ store, title, checks }: { store: Store; title: string; checks: readonly Checked[] }) {
  const open = useSignal<string | null>(null)
  const items = useSignal<readonly Finding[]>([])
  const next = useSignal<number | null>(null)
  const t = store.t.value.quality
  const { language } = store.state.value

  const more = (name: string, after: number): void => {
    store.client.findings(name, after).then((page) => {
      if (open.value !== name) return
      items.value = after === 0 ? page.items : [...items.value, ...page.items]
      next.value = page.next
      store.preview.value = { features: onTheMap(items.value), extent: boxOf(items.value) }
    }, store.complain)
  }
  const toggle = (name: string): void => {
    open.value = open.value === name ? null : name
    items.value = []
    next.value = null
    store.preview.value = null
    if (open.value) more(name, 0)
  }
  const go = (one: Finding): void => {
    const { lon, lat } = one
    const placed = lon !== null && lat !== null
    if (one.building_id !== null) {
      store.select({ building: one.building_id, unit: one.object_type === 'unit' ? one.object_id : null }, !placed)
    }
    // Beside this page, where it is seen: a look at the building itself would have it behind the page.
    if (placed) store.preview.value = { features: onTheMap(items.value), extent: [lon, lat, lon, lat] }
  }
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <ul class="told">
        {checks.map((check) => (
          <li key={check.name}>
            <button
              type="button" class="plain" aria-expanded={open.value === check.name}
              data-check={check.name} onClick={() => toggle(check.name)}
            >
              <span>{language === 'en' ? check.en : check.zh}</span>
              <b>{measure(check.count, '', language)}</b>
            </button>
            {open.value === check.name && items.value.length > 0 && (
              <>
                <small>
                  {t.onMap(items.value.filter((one) => one.lon !== null).length, measure(check.count, '', language))}
                </small>
                <ul class="instances">
                  {items.value.map((one) => (
                    <li key={one.no}>
                      <button type="button" class="plain" onClick={() => go(one)}>
                        <span>{one.label || `${t.types[one.object_type] ?? one.object_type} ${one.object_id}`}</span>
                        {one.label && <small>{one.object_id}</small>}
                      </button>
                    </li>
                  ))}
                </ul>
                {next.value !== null && (
                  <button type="button" onClick={() => more(check.name, next.value ?? 0)}>{t.more}</button>
                )}
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}
