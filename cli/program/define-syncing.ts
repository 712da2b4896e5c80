import { Option } from '@commander-js/extra-typings'
import type { Context } from '../context.js'
import { jsonOption, parseInterval } from './options.js'
import type { Print, Program } from './program.js'

/** Commands about the way to a server. */
export function defineSyncing(program: Program, context: Context, print: Print): void {
  program
    .command('sync')
    .description('push what is pending now')
    .option('--retry', 'also what failed before')
    .option('--rename <old=new>', 'first give what failed with TYPE_CONFLICT another name')
    .option('--redirect <url>', 'first give what waits for this remote to the one that is set')
    .option('--drop <id>', 'first give up a part that came too late for its version')
    .option(
      '--limit <rate>',
      'most bytes a second, such as 10MB, also of an artifactd that is at it',
    )
    .addOption(jsonOption())
    .action(async options => {
      const { sync } = await import('../commands/sync.js')
      await print(sync(options, context))
    })

  program
    .command('status')
    .description('pending, syncing and failed versions; artifactd; the remote; disk use')
    .addOption(jsonOption())
    .action(async options => {
      const { status } = await import('../commands/status.js')
      await print(status(options, context))
    })

  const daemon = program.command('daemon').description('the background process that syncs')
  daemon
    .command('start')
    .description('start artifactd, until it is stopped')
    .option('--limit <rate>', 'most bytes a second, such as 10MB (default: as artifact init said)')
    .addOption(jsonOption())
    .action(async options => {
      const { daemonStart } = await import('../commands/daemon.js')
      await print(daemonStart(options, context))
    })
  daemon
    .command('stop')
    .description('end it; what is pending stays pending')
    .addOption(jsonOption())
    .action(async options => {
      const { daemonStop } = await import('../commands/daemon.js')
      await print(daemonStop(options, context))
    })
  daemon
    .command('status')
    .description('what it does; exits 1 when it does not run')
    .addOption(jsonOption())
    .action(async options => {
      const { daemonStatus } = await import('../commands/daemon.js')
      await print(daemonStatus(options, context))
    })

  const server = program
    .command('server')
    .description('serve a store to others; ARTIFACT_SERVER_KEY is needed beyond this machine')
    .option('--listen <host:port>', 'address', '127.0.0.1:8345')
    .option('--data <dir>', 'folder of the server', 'artifactd-server')
    .addOption(
      new Option('--collect-every <time>', 'remove what no version needs, such as 12h; or never')
        .argParser(parseInterval)
        .default(24 * 3600 * 1000, '24h'),
    )
    .action(async options => {
      const { server } = await import('../commands/server.js')
      await server(options, context)
    })
  server
    .command('collect')
    .description('remove what no version needs from the store in --data, served or not')
    .option('--dry-run', 'only say what would go')
    .addOption(jsonOption())
    .action(async options => {
      const { serverCollect } = await import('../commands/server-collect.js')
      await print(serverCollect({ ...options, ...server.opts() }, context))
    })
}
