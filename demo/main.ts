/*
 * npm run demo            a server and two devices in three processes: see three-processes.ts
 * npm run demo -- --web   the task board in a browser: see web-demo.ts
 */
if (process.argv.includes('--web')) await import('./web-demo.js');
else await import('./three-processes.js');
