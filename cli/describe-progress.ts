import type { VersionStatus } from '../src/sync/progress-tracker.js'
import { count, formatBytes, formatCount } from './format.js'

/** `1.2 MiB of 3 MiB sent, 4 MiB there already, 1 MiB/s, 2 s left, 1 retry: cannot reach …`. */
export function describeProgress(version: Omit<VersionStatus, 'id' | 'name' | 'size'>): string {
  const { bytesTotal, bytesSent, bytesSkipped, bytesPerSecond, etaSeconds } = version
  const { active, retries, lastError } = version
  const parts: string[] = []
  if (bytesTotal > 0) parts.push(`${formatBytes(bytesSent)} of ${formatBytes(bytesTotal)} sent`)
  if (bytesSkipped > 0) parts.push(`${formatBytes(bytesSkipped)} there already`)
  if (active && bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`)
  if (etaSeconds !== null) parts.push(`${formatSeconds(etaSeconds)} left`)
  if (retries > 0) {
    const times = retries === 1 ? '1 retry' : `${formatCount(retries)} retries`
    parts.push(lastError ? `${times}: ${lastError.message}` : times)
  }
  return parts.join(', ')
}

/** `12 s`, `3 min`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 100) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 100) return `${minutes} min`
  return `${formatCount(Math.floor(minutes / 60))} h ${minutes % 60} min`
}

/** `  1.2 MiB sent, 4 MiB there already`; empty for what sends no bytes. */
export function describeSent(item: {
  bytesSent?: number
  bytesSkipped?: number
  retries?: number
}): string {
  const { bytesSent, bytesSkipped = 0, retries = 0 } = item
  if (bytesSent === undefined) return ''
  const parts = [`${formatBytes(bytesSent)} sent`, `${formatBytes(bytesSkipped)} there already`]
  if (retries > 0) parts.push(count(retries, 'repeated call'))
  return `  ${parts.join(', ')}`
}
