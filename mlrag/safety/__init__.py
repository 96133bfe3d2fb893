"""Prompt-injection filter and ShieldGemma."""
