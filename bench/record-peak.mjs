// Preloaded into a measured process: leaves its peak resident memory, in KiB, and its CPU time, in
// microseconds, in PEAK_FILE.
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** On Linux `maxRSS` may be that of the process that started this one: it outlives `exec`. */
function readPeak() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
}

if (isMainThread) {
  process.on('exit', () => {
    const { user, system } = process.cpuUsage()
    writeFileSync(process.env.PEAK_FILE, `${readPeak()} ${user + system}`)
  })
}
