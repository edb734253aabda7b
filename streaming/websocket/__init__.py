"""The WebSocket way in and out: sound and control for agents, frames and blendshapes for renderers."""
