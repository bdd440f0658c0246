// The choices of a run of faults: printed when it fails, and given to repeat them.

export const seed = Number(process.env["FAULTS_SEED"] ?? Date.now() % 1_000_000);
