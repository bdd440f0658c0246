// A URL for whoever may not know its password: errors and logs are read by more people than the call they are about.

/** User and password, if there are any, are stars. Any other text is as it is. */
export const maskedUrl = (text: string): string =>
  text.replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/?#]*@/, "$1***@");
