// RUN: not quant-opt %s --rot-insert="sites=R5" 2>&1 | FileCheck %s --check-prefix=SITE
// RUN: not quant-opt %s --rot-insert="seed=-1" 2>&1 | FileCheck %s --check-prefix=SEED
// SITE: rot-insert knows no site 'R5'; there are R1 to R4
// SEED: rot-insert needs a seed that is not negative, got -1
