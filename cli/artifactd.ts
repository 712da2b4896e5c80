#!/usr/bin/env node
// Without arguments this is the daemon, in the foreground; with arguments it is `artifact`.
const args = process.argv.slice(2)
if (args.length > 0) {
  const { main } = await import('./main.js')
  process.exitCode = await main(args)
} else {
  await import('../daemon/main.js')
}
