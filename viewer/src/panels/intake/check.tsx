/** The second step: what the file holds, where it lies, what its columns are, and how to load it. */
import type { Inspection } from '../../api/types'
import { ending } from '../../intake/files'
import { asModel, kindOf, obstacles } from '../../intake/machine'
import { Mapping } from './mapping'
import { Options } from './options'
import { Line, type Props } from './parts'
import { Place } from './place'
import { Columns, FirstRows, Oddities } from './table'

export function Check({ store, desk }: Props) {
  const t = store.t.value.intake
  const now = desk.intake.value
  const { found } = now
  const stands = obstacles(now)
  const ready = stands.length === 0
  return (
    <>
      <div class={now.looking ? 'looking' : ''} aria-busy={now.looking}>
        <About store={store} desk={desk} />
        {!found && now.looking && <p class="hint" role="status">{t.looking}</p>}
        {found && (
          <>
            <Place store={store} desk={desk} found={found} />
            <Oddities store={store} found={found} />
            <Mapping store={store} desk={desk} found={found} />
            <FirstRows store={store} found={found} personal={isPersonal(desk, kindOf(now))} />
            <Columns store={store} found={found} />
          </>
        )}
        {(found || asModel(now)) && <Options store={store} desk={desk} />}
      </div>
      <footer class="acts foot">
        <p class="hint" role="status">
          {ready ? t.tryHint : stands.filter((one) => one !== 'looking' || now.looking).map((one) => t.obstacles[one]).join(' ')}
        </p>
        <button type="button" onClick={desk.fresh}>{t.another}</button>
        <button type="button" disabled={!ready} onClick={() => void desk.load(false)}>{t.loadIt}</button>
        <button type="button" class="first" disabled={!ready} onClick={() => void desk.load(true)}>{t.tryIt}</button>
      </footer>
    </>
  )
}

function isPersonal(desk: Props['desk'], kind: string | null): boolean {
  return desk.kinds.value?.kinds.find((one) => one.name === kind)?.personal ?? false
}

/** File, kind, layer and encoding. */
function About({ store, desk }: Props) {
  const t = store.t.value.intake
  const now = desk.intake.value
  const { found } = now
  const files = desk.survey.value?.readable ?? []
  return (
    <dl class="facts">
      <Line name={t.file} id="intake-file">
        {files.length > 1
          ? (
            <select id="intake-file" value={now.file ?? ''} onChange={(event) => desk.choose(event.currentTarget.value)}>
              {files.map((one) => <option key={one}>{one}</option>)}
            </select>
          )
          : <b>{now.file}</b>}
        {found && <Count store={store} found={found} />}
        {files.length > 1 && <small>{t.otherFiles(files.length)}</small>}
      </Line>
      <Line name={t.kind} id="intake-kind"><Kind store={store} desk={desk} /></Line>
      {found && found.layers.length > 1 && (
        <Line name={t.layer} id="intake-layer">
          <select
            id="intake-layer" value={now.wishes.layer ?? found.layer ?? ''}
            onChange={(event) => desk.wish({ layer: event.currentTarget.value })}
          >
            {found.layers.map((one) => <option key={one}>{one}</option>)}
          </select>
        </Line>
      )}
      {now.file !== null && TEXTUAL.includes(ending(now.file)) && (
        <Line name={t.encoding} id="intake-encoding">
          <select
            id="intake-encoding" value={now.wishes.encoding ?? ''}
            onChange={(event) => desk.wish({ encoding: event.currentTarget.value || null })}
          >
            <option value="">{found?.encoding ? t.detected(found.encoding) : t.asDetected}</option>
            {ENCODINGS.map((one) => <option key={one}>{one}</option>)}
          </select>
        </Line>
      )}
    </dl>
  )
}

const TEXTUAL = ['.csv', '.tsv', '.txt', '.shp', '.zip']
const ENCODINGS = ['UTF-8', 'GB18030', 'GBK', 'Big5']

function Kind({ store, desk }: Props) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  const now = desk.intake.value
  const scores = new Map(now.found?.kinds.map((one) => [one.name, one.score]))
  const kinds = [...(desk.kinds.value?.kinds ?? [])].sort((one, other) => (scores.get(other.name) ?? 0) - (scores.get(one.name) ?? 0))
  return (
    <select
      id="intake-kind" value={kindOf(now) ?? ''} required aria-invalid={now.found !== null && kindOf(now) === null}
      onChange={(event) => desk.wish({ kind: event.currentTarget.value || null })}
    >
      {kindOf(now) === null && <option value="">{t.kindUnsure}</option>}
      {kinds.map((one) => <option key={one.name} value={one.name}>{one[language]}</option>)}
    </select>
  )
}

function Count({ store, found }: { store: Props['store']; found: Inspection }) {
  const t = store.t.value.intake
  const { language } = store.state.value
  return (
    <small>
      {found.rows !== null && t.rows(found.rows.toLocaleString(language))}
      {found.sampled && ` · ${t.sampled}`}
    </small>
  )
}
