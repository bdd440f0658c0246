// The part of sns-validator that tests use; the package has no types.

declare module "sns-validator" {
  class MessageValidator {
    /** `hostPattern` is held against the host, with its port, that an envelope says its certificate is at. */
    constructor(hostPattern: RegExp);
    validate(
      message: string | object,
      callback: (error: Error | null, message?: Record<string, unknown>) => void,
    ): void;
  }
  export = MessageValidator;
}
