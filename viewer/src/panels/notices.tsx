/** What the page has to say: messages, the hover label, and the page of an empty city. */
import { useEffect } from 'preact/hooks'
import type { Store } from '../store'

const SHOWN_MS = 6000

export function Messages({ store }: { store: Store }) {
  const message = store.message.value
  useEffect(() => {
    const timer = setTimeout(() => { store.message.value = null }, SHOWN_MS)
    return () => clearTimeout(timer)
  }, [message])
  return (
    <div class="messages" role="status" aria-live="polite">
      {message && (
        <p class={`panel message ${message.kind}`}>
          {message.kind === 'error' && '⚠ '}
          {store.state.value.language === 'en' ? message.en : message.zh}
        </p>
      )}
    </div>
  )
}

export function HoverLabel({ store }: { store: Store }) {
  const hover = store.hover.value
  if (!hover) return null
  return (
    <p class="hover" aria-hidden="true" style={{ left: `${hover.x + 14}px`, top: `${hover.y + 14}px` }}>
      {hover.text}
    </p>
  )
}

export function Empty({ store }: { store: Store }) {
  const city = store.city.value
  const t = store.t.value
  const behind = store.state.value.page !== 'city' && store.mayLoad.value
  if (!city || city.tilesets.some((one) => one.features > 0) || behind) return null
  return (
    <section class="panel empty" aria-labelledby="empty-title">
      <h2 id="empty-title">{t.emptyTitle}</h2>
      <p>{t.emptyText}</p>
      <h3>{t.emptyOwn}</h3>
      <pre>cim load buildings footprints.geojson{'\n'}cim tile build</pre>
      {store.mayLoad.value && <p class="hint">{t.emptyDrop}</p>}
      <h3>{t.emptySample}</h3>
      <pre>cim sample city{'\n'}cim load city city{'\n'}cim tile build</pre>
      <p>
        {store.mayLoad.value && (
          <><button type="button" onClick={() => store.open('intake')}>{t.intake.title}</button>{' '}</>
        )}
        <button type="button" onClick={() => void store.start()}>{t.retry}</button>{' '}
        <a href="docs">{t.emptyDocs}</a>
      </p>
    </section>
  )
}
