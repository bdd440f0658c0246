// Sessions of express in Forebay: a store for express-session, over the client's sessions.

export {
  ForebayStore,
  type ForebayStoreOptions,
  type ListedSession,
} from "./forebay-store.js";
