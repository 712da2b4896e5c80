import { openStore, type Store, type StoreOptions } from '../store/store.js'

const stores = new Map<string, Store>()

/**
 * The store at a home, opened once in this process and shared until it is closed.
 * @param options of the first that opens it.
 */
export function sharedStore(home: string, options: Pick<StoreOptions, 'hostPlace'> = {}): Store {
  let store = stores.get(home)
  if (!store || store.closed) {
    store = openStore(home, options)
    stores.set(home, store)
  }
  return store
}
