import type { PendingItem } from '../catalog/catalog.js'
import type { CommitItem } from '../model/commit.js'
import type { PushSession } from './push-session.js'

/** An edit as it is sent, with versions named as the remote names them. */
export async function editItem(
  session: PushSession,
  { logId, versionId, change = {} }: PendingItem,
): Promise<CommitItem> {
  const { aliases } = change
  const seen = (aliases?.add ?? []).flatMap(move => move.seen ?? [])
  const nameThere = await nameOnRemote(session, [versionId, ...seen])
  return {
    kind: 'edit',
    logId,
    versionId: nameThere(versionId),
    change: {
      ...change,
      ...(aliases && {
        aliases: {
          ...aliases,
          add: aliases.add.map(({ alias, seen }) => ({
            alias,
            seen: seen === null ? null : nameThere(seen),
          })),
        },
      }),
    },
  }
}

/** The remote's ids of these versions, by the ids here: of most it is the same. */
export async function nameOnRemote(
  { context, remoteIds }: PushSession,
  ids: string[],
): Promise<(id: string) => string> {
  const known = await context.store.catalog.listRemoteIds(ids)
  for (const [index, id] of ids.entries()) {
    const there = known[index]
    if (there != null && !remoteIds.has(id)) remoteIds.set(id, there)
  }
  return id => remoteIds.get(id) ?? id
}
