/** The first step: files chosen or dropped, and how far they have been sent. */
import { useRef } from 'preact/hooks'
import { bytes } from '../../intake/files'
import type { Sending } from '../../intake/machine'
import type { Props } from './parts'

export function Files({ store, desk }: Props) {
  const t = store.t.value.intake
  const input = useRef<HTMLInputElement>(null)
  const now = desk.intake.value
  const found = desk.survey.value
  const state = now.files.find((one) => one.state === 'paused' || one.state === 'lost')?.state
  const under = now.files.some((one) => one.state === 'sending')
  return (
    <>
      <div class="drop">
        <strong>{t.dropTitle}</strong>
        <p class="hint wide">{t.dropText}</p>
        <p class="hint narrow">{t.dropShort}</p>
        <button type="button" class="first" onClick={() => input.current?.click()}>{t.choose}</button>
        <input
          ref={input} type="file" multiple class="hidden" tabIndex={-1} aria-label={t.choose}
          onChange={(event) => {
            void desk.drop([...(event.currentTarget.files ?? [])])
            event.currentTarget.value = ''
          }}
        />
        {desk.kinds.value && <p class="hint">{t.formats} {desk.kinds.value.formats.join(' ')}</p>}
      </div>
      {found && found.readable.length === 0 && <p class="alarm" role="alert">⚠ {t.nothingReadable}</p>}
      {found && found.unknown.length > 0 && <p class="note">{t.unknown(found.unknown.join('、'))}</p>}
      {found?.lacking.map(({ file, part }) => <p class="note" key={file + part}>{file} {t.lacking[part]}</p>)}
      {now.files.length > 0 && (
        <>
          <ul class="sending" aria-live="polite">
            {now.files.map((one) => <Row key={one.name} one={one} store={store} />)}
          </ul>
          {state === 'lost' && <p class="hint">{t.lostHint}</p>}
          <p class="acts">
            {under && <button type="button" onClick={desk.pause}>{t.pause}</button>}
            {state && (
              <button type="button" class="first" onClick={desk.resume}>
                {state === 'lost' ? t.sendAgain : t.goOn}
              </button>
            )}
          </p>
        </>
      )}
    </>
  )
}

function Row({ one, store }: { one: Sending; store: Props['store'] }) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  return (
    <li data-state={one.state}>
      <span class="name">{one.name}</span>
      <span class="size">{bytes(one.state === 'sent' ? one.size : one.sent)} / {bytes(one.size)}</span>
      <span class="state">{t.sendStates[one.state]}</span>
      <progress max={Math.max(1, one.size)} value={one.state === 'sent' ? Math.max(1, one.size) : one.sent} aria-label={one.name} />
      {one.why && <em class="faulty">{one.why[language]}</em>}
    </li>
  )
}
