// The environment of this process. Apart from the settings, so that commands which need no setting do not load their checks.

export type Environment = Readonly<Record<string, string | undefined>>;

export const processEnvironment = (): Environment => process.env;
