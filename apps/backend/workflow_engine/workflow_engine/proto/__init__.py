"""Generated from apps/backend/shared/proto/engine by `make proto`."""
