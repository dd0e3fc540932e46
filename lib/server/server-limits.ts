/**
 * Limits of the server alone, with their reasons. Apps do not download them: those that both ends share are in
 * `model/limits.ts`.
 */
export const serverLimits = {
  /**
   * Bytes of all changesets of an upload except the last, above which a server closes the connection. A server checks
   * them within 50 ms; clients that count differently have room.
   */
  uploadBytesMax: 4 * 128 * 1024,
  /** Bytes of a stored object above which the server checks its size with each write. */
  largeObjectBytes: 1024 * 1024,
  /** Sessions on one connection: ten times the realms of the largest app we know. Option of the server. */
  sessionsPerConnectionMax: 1_000,
  /**
   * Bytes of uploads that go into one batch of a history. They are checked and encoded in one event-loop turn, in which
   * no other realm is served.
   */
  uploadBatchBytesMax: 128 * 1024,
  /** Realms that a server has open at once, each with its log tail in memory. Option of the server. */
  realmsOpenMax: 1_000,
  /** Milliseconds in which a new connection must bind a session. Option of the server. */
  bindMsMax: 10_000,
  /** Marks of one session that wait for their pages: more than any screen waits for. */
  marksWaitingMax: 10_000,
  /**
   * Bytes of history that the projection may lag behind the head, counted like `headBytes`. A first download carries
   * them besides the objects: few beside the objects, many beside the cost of one merge pass. Option of the server.
   */
  projectionLagBytesMax: 1024 * 1024,
  /**
   * Multiple of `projectionLagBytesMax` at which the projection advances although a client is fetching it or uploads.
   * It bounds the rest of the history that a first download carries besides the objects.
   */
  projectionLagTimesMax: 16,
  /**
   * Milliseconds without an upload or a download of old changes after which the projection advances, so that clients do
   * not wait for work that can be done later. A client that stores a page may be silent for seconds.
   */
  projectionQuietMs: 5_000,
  /**
   * Milliseconds that downloads of old changes can postpone a projection that is far behind: a first download of
   * gigabytes on a fast line. After that, downloads that follow each other do not hold it any longer.
   */
  projectionDownloadMsMax: 60_000,
  /**
   * Milliseconds without use after which a realm drops the parts that write and read objects. Creating them again takes
   * 12 µs (measured), a small part of what a write takes, so that they need not wait for a pause of the user.
   */
  worksQuietMs: 1_000,
  /**
   * Bytes of history after the stored objects above which these parts are not dropped. Each time they are created,
   * `permit` may need these changes again: they are read within a millisecond. An object that grew by them is still far
   * below `objectBytesMax` when its bytes are counted again from zero.
   */
  worksLagBytesMax: 64 * 1024,
  /**
   * Milliseconds in which a watched realm without sessions stores its objects before it closes: half of `drainMsMax`,
   * so that a server that shuts down also ends its other work in time. The next upload to the realm reads the rest.
   */
  catchUpMsMax: 5_000,
  /**
   * Properties of one type that filters of a realm may name. Each costs about 10 bytes of history for each change of an
   * object, and a row of the index for each object. Apps select by owner, list, state and a few dates.
   */
  watchedPropertiesMax: 16,
  /** Types that filters of a realm may select from: as many as a client may have subscriptions. */
  watchedTypesMax: 256,
  /**
   * Factor of the two limits above for what scopes name. Otherwise one client could reach them with its subscriptions,
   * and a scope over other properties could not be served.
   */
  watchedByScopes: 2,
  /**
   * Bytes of the values that one changeset may have besides twice its own: those of 10 000 objects before it. Above
   * that, filters begin again after the changeset, because few bytes could otherwise store gigabytes.
   */
  touchesBytesMax: 1024 * 1024,
  /**
   * Former and present scopes that a realm keeps of one user. Each has at most 16 KiB for each of its types. A device
   * whose scope is forgotten gets its view as a whole.
   */
  scopesPerUserMax: 8,
  /** Bytes of the former scopes that a realm keeps of one user. A scope of an app has some hundred. */
  scopesBytesMax: 64 * 1024,
  /** Users whose scopes a realm keeps in memory. Those of others are read again. */
  scopedUsersKept: 1_000,
  /** Replicas whose positions in the members of a view a realm keeps, at most 8 KiB each. Others begin again. */
  hiddenPositionsMax: 1_000,
  /**
   * Objects that changed and that a session remembers while it brings a device up to date with its view, at most 200
   * bytes each. With more changes the device gets its view as a whole: that costs it about the same.
   */
  viewObjectsMax: 20_000,
  /**
   * Pages of the history that one page of an index counts as. Its client waits for a round trip each time, and half of
   * what a session is sent without an answer is enough.
   */
  selectionPages: 4,
  /**
   * Milliseconds after which a session with a view that nothing concerns is sent the version that the history has
   * reached: the time between two compactions, so that it holds no changes back for longer.
   */
  viewProgressMs: 60_000,
  /** Bytes that a stored object counts for besides its state. The same as for a changeset, so both can be compared. */
  objectBytesMore: 32,
  /**
   * Milliseconds without a `fetch` after which a snapshot is no longer kept for its replica: a phone changes networks
   * in less. Option of the server.
   */
  snapshotLeaseMs: 60_000,
  /**
   * Milliseconds that one snapshot is kept for all clients that fetch it: a gigabyte at 3 Mbit/s. Option of the server.
   */
  snapshotHoldMsMax: 45 * 60 * 1000,
  /** Milliseconds that `permit` may take; after that, the client had better try again. Option of the server. */
  permitMsMax: 10_000,
  /** Pending calls of `permit` for one changeset: a database answers about this many lookups side by side. */
  permitsAtOnceMax: 16,
  /**
   * Rejected changesets of one replica that it has not acknowledged: a page of them. The next bind forgets them. Option
   * of the server.
   */
  rejectionsPendingMax: 1_000,
  /**
   * Bytes of one frame of a connection before its token was checked: a token, and the rest of a bind. Also the bytes
   * per second that such a connection may send.
   */
  unboundFrameBytesMax: 64 * 1024,
  /** Values of one frame before the token was checked: the 1 000 runs of a bind are 3 000. */
  unboundFrameValuesMax: 4_096,
  /**
   * Frames per second before the token was checked, with a burst of twice as many. Above that, the socket is not read
   * for a while.
   */
  unboundFramesPerSecondMax: 8,
  /** Binds that are processed before the token was checked. Further ones wait for the check. */
  unboundBindsMax: 16,
  /** Other messages before the token was checked, and WebSocket pings: a client sends one in 25 s. */
  unboundMessagesMax: 16,
  /** Messages of one connection that wait until its token was checked: a bind of each session. */
  unboundWaitingPerConnectionMax: 1_000,
  /** Messages of all connections that wait until a token was checked: 30 MB. */
  unboundWaitingMax: 100_000,
  /**
   * Connections from one address whose token was not checked yet: a large company that reconnects within a second.
   * Option of the server.
   */
  unboundPerAddressMax: 1_000,
  /**
   * Connections of one user: a person has ten devices, and a program that runs as one user a hundred. Option of the
   * server.
   */
  connectionsPerUserMax: 250,
  /** Sessions of one user, on all connections of that user. Option of the server. */
  sessionsPerUserMax: 5_000,
  /**
   * Realms that one user has open: twice those of the largest app we know, a quarter of `realmsOpenMax`. Option of the
   * server.
   */
  realmsPerUserMax: 250,
  /**
   * Frames per second of all connections of one user, with a burst of twice as many. Above that, they are not read for
   * a while. Option of the server.
   */
  framesPerUserPerSecondMax: 5_000,
  /**
   * Bytes per second of all connections of one user, with a burst of twice as many: more than any uplink of a device.
   * Option of the server.
   */
  bytesPerUserPerSecondMax: 16 * 1024 * 1024,
  /**
   * Milliseconds without a write after which a realm may be closed when too many are open. Applies even if its users
   * have no more realms than others.
   */
  realmIdleMs: 5 * 60 * 1000,
  /** Milliseconds between two compactions of a realm: little accumulates in this time. Option of the server. */
  compactionMs: 60_000,
  /** Changesets that must be removable before the history is trimmed: fewer are not worth a write. */
  trimEntriesMin: 1_000,
  /**
   * Connections from one address: a large company behind one, at 30 KiB each 150 MiB. Behind a proxy, `trustProxy`
   * distinguishes clients. Option of the server.
   */
  connectionsPerAddressMax: 5_000,
  /**
   * WebSocket upgrades per second from one address, with a burst of as many: a large company that reconnects, a third
   * of what one core accepts. Option of the server.
   */
  upgradesPerSecondMax: 1_000,
  /**
   * Milliseconds after which a silent connection is closed. A client pings every 25 s, so five pings are lost. A dead
   * connection would hold back the trimming of its realms. Option of the server.
   */
  silenceMsMax: 150_000,
  /**
   * Binds per second on one connection, with a burst of as many: all of its sessions after a reconnect. Option of the
   * server.
   */
  bindsPerSecondMax: 1_000,
  /**
   * Replicas whose records a server has in memory, bound or not: all clients of a process that reconnect after a
   * network failure; 200 bytes each.
   */
  replicasRememberedMax: 20_000,
  /** Addresses whose rate of upgrades is remembered, 100 bytes each. Above that, the oldest is forgotten. */
  addressesMax: 100_000,
  /**
   * Milliseconds before clients of a server that shuts down reconnect: about the duration of a restart. Option of the
   * server.
   */
  restartMs: 1_000,
  /**
   * Milliseconds over which these reconnects are spread at random, so that clients do not come back all at once. Option
   * of the server.
   */
  restartSpreadMs: 5_000,
  /** Milliseconds in which a storage must answer a readiness check. */
  readyMsMax: 2_000,
  /** Milliseconds after a failed write in which a server is not ready: a load balancer needs this long to notice. */
  notReadyMs: 10_000,
  /** Milliseconds without a new fetch of public keys for tokens with unknown keys: forged tokens cause no requests. */
  jwksCooldownMs: 30_000,
  /** Milliseconds of work on client messages before other work runs. One frame of `frameValuesMax` takes longer. */
  turnMsMax: 8,
  /** Milliseconds between two snapshots for the inspector, which all its readers share: each visits every session. */
  inspectorMs: 1_000,
  /** Milliseconds after which a snapshot is too old to compute rates from: some requests of a page may be lost. */
  inspectorPauseMs: 10_000,
  /** Connections in one answer of the inspector: more than a person reads. */
  inspectorConnectionsMax: 200,
  /** Sessions of one connection in an answer of the inspector. All connections together have 200 KiB then. */
  inspectorSessionsMax: 10,
  /** Realms in one answer of the inspector: more than a person reads. */
  inspectorRealmsMax: 200,
  /** Realms for which the inspector asks `authorize` in one answer: those with most sessions. */
  inspectorAccessMax: 500,
  /** Pending calls of `authorize` for one answer of the inspector. */
  inspectorAccessAtOnceMax: 16,
  /** Milliseconds for which the inspector remembers the user and the access rights of a token. */
  inspectorAccessMs: 10_000,
  /** Tokens that the inspector remembers: more people than look at it at once. */
  inspectorTokensMax: 100,
  /** Requests per second from one address to the inspector, with a burst of as many: a page sends one. */
  inspectorRequestsPerSecondMax: 10,
  /** Requests to the inspector that wait for an answer of `authenticate` or `authorize`. */
  inspectorRequestsAtOnceMax: 32,
  /** Milliseconds between two log entries about invalid tokens, each with their number. */
  invalidTokensLogMs: 10_000,
  /** Milliseconds after which public keys are fetched again: a withdrawn key is accepted this long. */
  jwksAgeMsMax: 10 * 60 * 1000,
  /** Milliseconds in which a key server must answer. */
  jwksMsMax: 5_000,
  /** Largest accepted `clockToleranceMs`: five minutes, as Kerberos has it. More would disable expiry. */
  clockToleranceMsMax: 5 * 60 * 1000,
} as const;
