// Preloaded into a measured process: leaves its peak resident memory, in KiB, in PEAK_FILE.
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  process.on('exit', () => {
    writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS))
  })
}
