/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 61.8,
  openRealmAndClient: 104.8,
  record: 5,
  everything: 112,
  testing: 28,
};
