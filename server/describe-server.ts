import { ALGORITHMS, type Algorithm } from '../src/model/digest.js'
import { DEFAULT_ENTITY } from '../src/model/names.js'
import { PROTOCOL } from '../src/remote/messages.js'
import type { Capabilities } from '../src/remote/remote.js'
import type { Store } from '../src/store/store.js'

/** What this server can do, over whichever store. */
export async function describeServer(store: Store): Promise<Capabilities> {
  const { history } = await store.catalog.describe()
  return {
    storeId: store.id,
    protocol: PROTOCOL,
    digests: Object.keys(ALGORITHMS) as Algorithm[],
    encodings: [0, 1],
    recipes: true,
    entity: DEFAULT_ENTITY,
    ...(history && { history }),
  }
}
