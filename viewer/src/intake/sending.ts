/** Files sent so that what broke off is gone on with, by tus. */
import { DetailedError, Upload } from 'tus-js-client'
import type { Sentence } from '../api/types'

/** What is told of a file while it is sent. */
export interface Hearer {
  progress(sent: number): void
  done(): void
  /** The connection is gone, and waiting did not bring it back. */
  lost(): void
  refused(why: Sentence): void
}

/** A file on its way; what was sent stays, whoever stops. */
export interface Sent { start(): void; pause(): void }

/** Where files go. */
export interface Sender {
  /** The group in which a part of this very file lies already, or null. */
  known(file: File): Promise<string | null>
  send(file: File, group: string, hearer: Hearer): Promise<Sent>
}

const CHUNK = 8_000_000
const PATIENCE_MS = [0, 1000, 3000, 5000, 10_000]

/** A sender to the service's uploads; the address is that of `/uploads`. */
export function createSender(endpoint: string, proof: () => Record<string, string> = () => ({})): Sender {
  const upload = (file: File, group: string, hearer: Hearer | null): Upload => new Upload(file, {
    endpoint,
    headers: proof(),
    chunkSize: CHUNK,
    retryDelays: PATIENCE_MS,
    metadata: { filename: file.name, group },
    onProgress: (sent) => hearer?.progress(sent),
    onSuccess: () => hearer?.done(),
    onError: (error) => {
      const why = hearer ? sentence(error) : null
      if (why) hearer?.refused(why)
      else hearer?.lost()
    },
  })
  return {
    async known(file) {
      const before = await upload(file, '', null).findPreviousUploads()
      return before.at(-1)?.metadata['group'] ?? null
    },
    async send(file, group, hearer) {
      const one = upload(file, group, hearer)
      const before = (await one.findPreviousUploads()).filter(({ metadata }) => metadata['group'] === group)
      const last = before.at(-1)
      if (last) one.resumeFromPreviousUpload(last)
      return { start: () => one.start(), pause: () => void one.abort() }
    },
  }
}

/** What the service said against the file; null where nobody answered. */
function sentence(error: Error): Sentence | null {
  const answer = error instanceof DetailedError ? error.originalResponse : null
  const status = answer?.getStatus() ?? 0
  if (!answer || status === 0 || status >= 500 && status !== 507) return null
  try {
    const said = JSON.parse(answer.getBody()) as { detail?: string; detail_zh?: string }
    if (said.detail) return { en: said.detail, zh: said.detail_zh ?? said.detail }
  } catch { /* an answer without a body says its number */ }
  return { en: `The service answered ${status}.`, zh: `服务应答 ${status}。` }
}
