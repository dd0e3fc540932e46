/* Prints the milliseconds of processor time that importing one entry point of tidemark takes in a fresh process. */
const before = process.cpuUsage();
await (process.argv[2] === 'server' ? import('tidemark/server') : import('tidemark'));
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1_000);
