// A reason not to start, or to stop, that the person who runs the server can do something about. Its message is a whole
// sentence that says what; nobody needs its stack.

export class OperatorFault extends Error {
  override readonly name: string = "OperatorFault";
}
