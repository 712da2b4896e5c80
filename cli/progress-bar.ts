import type { WriteStream } from 'node:tty'
import { SingleBar } from 'cli-progress'
import type { Progress } from '../src/store/progress.js'
import { formatBytes, formatCount } from './format.js'

/** Steps shorter than this show nothing. */
const DELAY_MS = 500

const WORDS: Record<Progress['step'], string> = {
  add: 'adding',
  checkout: 'writing',
  verify: 'verifying',
  download: 'fetching',
  upload: 'sending',
}

export interface ProgressBar {
  update(progress: Progress): void
  stop(): void
}

/** A bar for one step after another, or a counter where the total is not known. */
export function createProgressBar(stream: WriteStream): ProgressBar {
  let bar: SingleBar | undefined
  let isKnown = false
  let step: Progress['step'] | undefined
  let startedAt = 0
  const stop = () => {
    bar?.stop()
    bar = undefined
  }
  const update = (progress: Progress) => {
    if (progress.step !== step) {
      stop()
      step = progress.step
      startedAt = Date.now()
    }
    const elapsed = Date.now() - startedAt
    if (elapsed < DELAY_MS) return
    const known = progress.totalBytes !== undefined
    const payload = {
      word: WORDS[progress.step],
      files: formatCount(progress.files),
      done: formatBytes(progress.bytes),
      rate: `${formatBytes(Math.round((progress.bytes / elapsed) * 1000))}/s`,
    }
    const total = Math.max(progress.totalBytes ?? progress.bytes, 1)
    if (known !== isKnown) stop()
    isKnown = known
    if (!bar) {
      bar = createBar(stream, known)
      bar.start(total, progress.bytes, payload)
      return
    }
    bar.setTotal(total)
    bar.update(progress.bytes, payload)
  }
  return { update, stop }
}

function createBar(stream: WriteStream, known: boolean): SingleBar {
  const counter = '{word}  {files} files  {done}  {rate}'
  return new SingleBar({
    stream,
    format: known
      ? `{word} {bar} {percentage}%  {files} files  {done}  {rate}  {eta_formatted}`
      : counter,
    clearOnComplete: true,
    hideCursor: true,
    fps: 8,
    etaBuffer: 50,
  })
}
