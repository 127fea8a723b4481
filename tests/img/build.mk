# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the program of tests/img/run.  Included by the top Makefile.

.PHONY: imgtest
imgtest: $(B)/tests/img/hammer

$(B)/tests/img/hammer: $(B)/obj/tests/img/hammer.o \
                       $(B)/obj/tests/unit/unit.o $(B)/libvmm.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pthread -pie -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) $(VMM_LIBS)

-include $(B)/obj/tests/img/hammer.d
