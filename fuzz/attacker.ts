/* Attacks a server until it is ended, in a process of its own: `run-attacks.ts` says which server, and how. */
import { attacks, type Target } from './attack-kinds.js';

process.on('disconnect', () => process.exit());
process.on('message', ({ name, target }: { readonly name: string; readonly target: Target }) => {
  const attack = attacks[name];
  if (attack === undefined) throw new Error(`no such attack: ${name}`);
  attack(target).catch((thrown: unknown) => {
    console.error(thrown);
    process.exit(1);
  });
});
