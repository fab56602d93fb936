/** Keys and gestures, in a native dialog. */
import { useEffect, useRef } from 'preact/hooks'
import type { Store } from '../store'

export function Help({ store }: { store: Store }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const open = store.help.value
  const t = store.t.value
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal()
    if (!open) dialog.current?.close()
  }, [open])
  return (
    <dialog
      ref={dialog} class="panel help" aria-labelledby="help-title"
      onClose={() => { store.help.value = false }}
    >
      <h2 id="help-title">{t.help}</h2>
      <dl>{t.helpRows.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
      <p><a href="docs">{t.emptyDocs}</a></p>
      <button type="button" onClick={() => { store.help.value = false }}>{t.close}</button>
    </dialog>
  )
}
