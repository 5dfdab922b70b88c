"""What rounds of retraining led to: the champion over time, lineage, the gate, drift; all from their records."""
