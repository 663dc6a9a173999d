# Every target of the project, from the root of the repository. What both halves have runs in both.
BACKEND := apps/backend/workflow_engine
FRONTEND := apps/frontend
TARGETS := help install run dev db-init db-migrate db-upgrade db-reset bench eval chaos soak fuzz sbom audit docs lock ui
BOTH := clean test lint

.DEFAULT_GOAL := help
.PHONY: $(TARGETS) $(BOTH) proto e2e
$(TARGETS):
	@$(MAKE) --no-print-directory -C $(BACKEND) $@

$(BOTH):
	@$(MAKE) --no-print-directory -C $(BACKEND) $@
	@$(MAKE) --no-print-directory -C $(FRONTEND) $@

proto:
	@$(MAKE) --no-print-directory -C $(BACKEND) proto
	@$(MAKE) --no-print-directory -C $(FRONTEND) generate

e2e:
	@$(MAKE) --no-print-directory -C $(BACKEND) install
	@$(MAKE) --no-print-directory -C $(FRONTEND) e2e
