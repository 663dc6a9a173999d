"""Drawing workflows with a language model: from a description, or from an instruction to change one."""
