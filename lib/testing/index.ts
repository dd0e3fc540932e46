/** What this library tests itself with, for specs of its users: run it with Jest, or any runner with a global `expect`. */
export { marbles, type MarbleHelpers } from './marbles.js';
export { dialSuite } from './dial.js';
export { storageSuite } from './storage.js';
