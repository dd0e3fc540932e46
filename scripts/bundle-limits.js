/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 61.4,
  openRealmAndClient: 104.2,
  record: 5,
  everything: 111.4,
  testing: 28,
};
