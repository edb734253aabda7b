"""The avatar as a camera for any conferencing program: canvas, background, virtual devices, PipeWire nodes."""
