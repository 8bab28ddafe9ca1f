"""What a report tells of a corpus, a file for each subject; findings.py puts them together.

shown        the decision that is shown, and its rows with their verdicts
cuts         where its predicates divide a column of numbers
survey       what is counted while the corpus is read: twice, in bounded memory
steps        the funnel of all stages, and of the decision's predicates
beside       published rates beside ours
scores       histograms and correlations
pictures     pairs on both sides of each cut
rates        the share that is kept, by language, domain and source
choices      all decisions, and how much they agree
budgets      how often a training budget repeats what is kept
probes       learning curves and comparisons
"""
