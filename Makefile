# Every target of the engine, from the root of the repository.
BACKEND := apps/backend/workflow_engine
TARGETS := help install proto lock clean test lint run dev db-init db-migrate db-upgrade db-reset bench chaos fuzz docs

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)
$(TARGETS):
	@$(MAKE) --no-print-directory -C $(BACKEND) $@
